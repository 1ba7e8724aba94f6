"""What was measured, shown: figures for papers and one page of HTML that needs no network."""
