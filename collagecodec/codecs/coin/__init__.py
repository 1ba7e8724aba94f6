"""The codec `coin`: a network per picture, from coordinates to colours."""
