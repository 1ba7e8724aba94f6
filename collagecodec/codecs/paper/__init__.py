"""The codec `collage-paper`: the Neural Collage of Poli et al. 2022 on 40x40 blocks."""
