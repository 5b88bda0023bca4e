# vim with its swap and undo files, nano and less on a terminal, man on an own page
printf 'one\ntwo\n' > text
vim.tiny -u NONE -N -es -c 'set swapfile directory=. updatecount=1' -c '%s/two/three/' -c 'let x = 1' -c 'wq' text; cat text
vim.tiny -u NONE -N -es -c 'set swapfile directory=.' -c 'normal ihello' -c 'preserve' -c '!ls -A | grep -c swp > swaps' -c 'q!' text; cat swaps
export TERM=xterm
shown() { until grep -q "$1" screen 2> /dev/null; do sleep 0.2; done; }
(shown 'GNU nano'; printf 'typed '; shown typed; printf '\030'; shown 'Save modified'; printf 'y'; shown 'Name to Write'; printf '\r') | timeout 60 script -qefc 'nano -I text' screen > /dev/null; head -1 text
rm screen
(shown three; printf 'q') | timeout 60 script -qefc 'less text' screen | grep -c three
printf '.TH X 1\n.SH NAME\nx \\- an own page\n' > x.1; man -P cat ./x.1 | grep -c 'an own page'
