FROM a AS One
FROM b AS 1two
FROM c AS one
FROM a b
FROM a IS b
FROM --platfrom=x a
