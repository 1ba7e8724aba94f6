"""Collections of pictures into archives of `.clg` files, on one machine or on a Dask cluster.

places      folders and buckets: listing, reading, writing whole objects
settings    what every picture of an archive is encoded with
manifest    what has been done, in Parquet parts
pictures    one picture: read, encode, verify, write
run         all of them: batches, workers that die, schedulers that come back
report      a page of what was saved, worst pictures first
stac        an item for each picture
"""
