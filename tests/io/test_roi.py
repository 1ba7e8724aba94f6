"""Regions of interest: reading, checking, and the weights of cells."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from collagecodec.errors import UnsupportedImageError
from collagecodec.io.roi import Roi, RoiSource
from collagecodec.io.sources import ArraySource


def test_cells_above_a_box_have_its_weight():
    weights = Roi.of([(17, 40, 10, 5), (0, 0, 100, 70, 0.25)]).cell_weights(70, 100, 16)
    assert weights.shape == (6, 8)
    # The block in row 2, column 1 is covered by the cells in rows 2 and 3, columns 1 and 2.
    assert np.argwhere(weights == 1).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]
    assert weights.min() == 0.25


def test_a_mask_and_the_same_box_agree():
    mask = np.zeros((70, 100), bool)
    mask[40:45, 17:27] = True
    box = Roi.of([(17, 40, 10, 5)]).cell_weights(70, 100, 16)
    for given in (mask, mask.astype(np.uint8) * 255, mask.astype(float)):
        assert np.array_equal(Roi.of(given).cell_weights(70, 100, 16), box)


def test_files_of_boxes_and_masks(tmp_path):
    ring = [[3, 4], [13, 4], [13, 9], [3, 4]]
    feature = {"geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {"weight": 0.5}}
    documents = {
        "a.geojson": {"type": "FeatureCollection", "features": [feature]},
        "b.geojson": feature,
        "c.json": {"annotations": [{"bbox": [3, 4, 10, 5], "weight": 0.5}]},
    }
    for name, document in documents.items():
        (tmp_path / name).write_text(json.dumps(document))
        assert Roi.read(tmp_path / name).boxes == ((3.0, 4.0, 10.0, 5.0, 0.5),)
    Image.fromarray(np.full((5, 6), 255, np.uint8)).save(tmp_path / "mask.png")
    assert (Roi.read(tmp_path / "mask.png").mask == 1).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "empty"),
        ([(1, 2, 3)], "a box is"),
        ([(1, 2, 0, 3)], "is empty"),
        ([(1, 2, 3, 4, -1)], "weight of a box"),
        ([(1, 2, float("nan"), 4)], "a box is"),
        (np.full((3, 3), -0.5), "weights of a mask"),
        (np.full((3, 3), 2.0), "weights of a mask"),
        (np.zeros((3, 3, 3)), "shape"),
        (7, "list of boxes"),
    ],
)
def test_wrong_regions_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Roi.of(given)


def test_wrong_files_are_refused(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('{"features": [{}]}')
    (tmp_path / "c.png").write_text("no picture")
    for name in ("a.json", "b.json"):
        with pytest.raises(ValueError, match="neither GeoJSON nor COCO"):
            Roi.read(tmp_path / name)
    with pytest.raises(UnsupportedImageError, match="mask"):
        Roi.read(tmp_path / "c.png")


def test_a_region_must_fit_the_picture():
    source = ArraySource(np.zeros((20, 30), np.uint8))
    with pytest.raises(ValueError, match="30x20"):
        RoiSource(source, Roi.of(np.zeros((30, 20), bool)))
    with pytest.raises(ValueError, match="reaches beyond"):
        RoiSource(source, Roi.of([(25, 0, 10, 5)]))
    with pytest.raises(ValueError, match="quality of a region"):
        RoiSource(source, Roi.of([(0, 0, 10, 5)]), 101)
