# ssh-keygen: a key, a signature, its verification; an agent in the workspace; openssl
ssh-keygen -q -t ed25519 -N '' -C me -f key && echo text > f && ssh-keygen -q -Y sign -f key -n file f 2> /dev/null
echo "me $(cut -d' ' -f1,2 key.pub)" > allowed; ssh-keygen -q -Y verify -f allowed -I me -n file -s f.sig < f > /dev/null && echo verified
eval "$(ssh-agent -a ./agent)" > /dev/null && ssh-add -q key && ssh-add -l | wc -l; ssh-agent -k > /dev/null
openssl genpkey -algorithm ed25519 -out p.pem && openssl pkey -in p.pem -noout && echo openssl; sha256sum f; head -c 8 /dev/urandom | wc -c
