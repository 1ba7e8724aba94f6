"""The evaluation harness: every codec, ours and others', measured the same way. It runs from a checkout."""
