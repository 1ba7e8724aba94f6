"""What a decoder needs: the operator, its fixed point, dictionary, codes and prior. numpy only, never torch."""
