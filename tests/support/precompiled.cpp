// Nothing but the reason for the precompiled headers to be made: main.cpp can't have them, since it
// is where doctest itself is compiled.
