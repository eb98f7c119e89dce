"""Figs. 7, S8 and S9: semantic edits of faces, compared with StarGAN's."""
