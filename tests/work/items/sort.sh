# GNU sort with temporary files, and a pipeline of the usual filters
seq 1 60000 | shuf --random-source=<(yes) > numbers
sort -n -S 200K --parallel=2 numbers | cksum; TMPDIR=. sort -S 200K numbers | uniq | wc -l
cut -c1-2 numbers | sort | uniq -c | sort -rn | head -3; sed -i 's/9/x/g' numbers; split -n 3 numbers part.; cat part.* | cksum
awk '{s += length($0)} END {print s}' numbers; seq 4 | xargs -P 2 -I {} sh -c 'echo {} > out.{}'; cat out.*
