"""The codec `dct`: block-DCT, the collage without domain cells."""
