"""Training of models: data, recipes, loop, export. Only this package needs Lightning Fabric."""
