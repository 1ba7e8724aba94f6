"""The `collage` command; one file a command.

main      the group, exit codes, errors
inputs    which files are meant, and what their outputs are called
batch     many files at once: processes, progress, failures
values    options such as --scale 1/2 and --size 256x256
"""
