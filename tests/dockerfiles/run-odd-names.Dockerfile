FROM local/busybox:1
RUN mkdir /names && cd /names && touch 'a b' "it's" 'q"uote' '$dollar' 'back\slash' 'ümlaut' && touch -- -dash && printf x > "$(printf 'new\nline')"
