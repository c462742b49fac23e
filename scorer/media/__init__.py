"""Images and videos: pixels in and out, what is known of a file, and what files may ask of a machine."""
