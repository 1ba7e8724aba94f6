"""Every codec in a folder of its own, behind the contract of `base`.

base          the contract: a source of rows to bytes, bytes to a rendering
registry      names and numbers to codecs, those of other packages included
settings      the settings of a codec as text
rate_control  the search for the parameter that meets a quality, a size or a PSNR
models        where the trained models are kept
laplace       the probability tables that several codecs share
"""
