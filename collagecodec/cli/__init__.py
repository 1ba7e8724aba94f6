"""The `collage` command, with a module for each command.

main      the group, exit codes, errors
inputs    files, folders and wildcards on the command line, and the names of outputs
batch     many files at once: processes, progress, failures
progress  the progress bar
values    options such as --scale 1/2 and --size 256x256
"""
