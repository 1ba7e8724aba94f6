"""Codecs behind one contract (`base.Codec`): one file a codec, and the registry of their names."""
