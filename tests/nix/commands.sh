mkdir -p from-a-file
