"""HTTP service: photos in, masks out."""
