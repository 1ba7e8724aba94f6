"""Pictures of many or deep bands and bounded error, in layers that other codecs code."""
