//! What machine the programs of an image are made for.
