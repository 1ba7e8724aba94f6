"""Training of models: data, networks, losses, loop, export. The only package that needs Lightning Fabric."""
