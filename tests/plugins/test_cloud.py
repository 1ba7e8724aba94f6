"""Zarr on S3: two processes write through obstore, a third reads by xarray, which finds the codec by itself."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

for library in ("zarr", "obstore", "xarray", "moto", "boto3"):
    pytest.importorskip(library, reason="the extras zarr and xarray, and moto, are not installed")

PYTHON = (sys.executable, "-W", "ignore", "-c")
SCENE = """
import numpy as np
def scene():
    y, x = np.mgrid[:256, :384]
    planes = [128 + 60 * np.sin(x / 19 + c) + 40 * np.cos(y / (15 + c)) for c in range(3)]
    return np.clip(np.stack(planes, 2), 0, 255).astype(np.uint8)
"""
STORE = """
import sys
from obstore.store import S3Store
from zarr.storage import ObjectStore
def store(read_only=False):
    s3 = S3Store("archive", prefix="scene.zarr", endpoint=sys.argv[1], access_key_id="a", secret_access_key="b",
                 region="us-east-1", client_options={"allow_http": True})
    return ObjectStore(s3, read_only=read_only)
"""
CREATE = """
import zarr
group = zarr.create_group(store())
group.create_array("image", shape=(256, 384, 3), chunks=(128, 128, 3), dtype="uint8", fill_value=0,
                   compressors=None, dimension_names=("y", "x", "band"),
                   serializer={"name": "collage", "configuration": {"codec": "dct", "quality": 80}})
"""
WRITE = """
import zarr
half = int(sys.argv[2])
zarr.open_group(store())["image"][128 * half : 128 * (half + 1)] = scene()[128 * half : 128 * (half + 1)]
"""
READ = """
import hashlib, xarray
data = xarray.open_zarr(store(read_only=True), consolidated=False).image
print(hashlib.sha256(data.values.tobytes()).hexdigest())
import collagecodec.api
regions = []
decode = collagecodec.api.decode
collagecodec.api.decode = lambda data, **options: regions.append(options["region"]) or decode(data, **options)
data[130:140, 10:30].values
print(regions)
"""
EXPECTED = """
import hashlib, collagecodec
whole = np.empty((256, 384, 3), np.uint8)
for top in (0, 128):
    for left in (0, 128, 256):
        part = scene()[top : top + 128, left : left + 128]
        whole[top : top + 128, left : left + 128] = collagecodec.decode(
            collagecodec.encode(part, codec="dct", quality=80))
print(hashlib.sha256(whole.tobytes()).hexdigest())
"""


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The address of an S3 server in a process of its own, with the bucket `archive`."""
    script = """
import time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://127.0.0.1:%d" % server.get_host_and_port()[1], flush=True)
time.sleep(300)
"""
    server = subprocess.Popen([*PYTHON, script], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        import boto3

        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        client = boto3.client(
            "s3", endpoint_url=address, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
        )
        client.create_bucket(Bucket="archive")
        yield address
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_write_and_a_third_reads(endpoint: str) -> None:
    run(STORE + CREATE, endpoint)
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", STORE + SCENE + WRITE, endpoint, str(half)],
            stderr=subprocess.PIPE,
        )
        for half in (0, 1)
    ]
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors
    digest, regions = run(STORE + READ, endpoint).splitlines()
    assert digest == run(SCENE + EXPECTED)
    assert digest != hashlib.sha256(np.zeros((256, 384, 3), np.uint8).tobytes()).hexdigest()
    assert regions == "[(10, 2, 20, 10)]"
