"""The collage operator: geometry, atoms, codes, and the fixed point of the map."""
