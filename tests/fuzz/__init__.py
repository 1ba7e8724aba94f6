"""A structure-aware fuzzer of `.clg` files: `python -m tests.fuzz`, or `make fuzz`."""
