"""What `make_scene.py` renders: geometry, the harbor made of it, textures and light."""
