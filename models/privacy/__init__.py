"""What a private job will spend and what it takes for public, from public facts alone. numpy and scipy at most."""
