FROM a
CPOY x y
RNU echo
zzzzzzz
