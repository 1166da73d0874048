"""A procedural world of 64 x 64 images with known shape, texture and background: what ImageNet has not."""
