# copies, archives and links inside the workspaces
mkdir -p a/b && echo text > a/b/f && ln -s b/f a/link && ln a/b/f a/hard && mkfifo a/pipe && truncate -s 5M a/sparse && fallocate -l 64K a/full
chmod 640 a/b/f && touch -d @1000000 a/b/f && setfattr -n user.note -v x a/b/f && setfacl -m u:officer:r a/b/f || exit 1
rsync -aHAX a/ synced && cp -a a copied && tar -cpf a.tar --xattrs --acls a && mkdir t && tar -xpf a.tar --xattrs --acls -C t || exit 1
for tree in synced copied t/a; do stat -c '%a %Y %h' $tree/b/f; stat -c '%a %s %F' $tree/pipe $tree/sparse; readlink $tree/link; getfattr --only-values -n user.note $tree/b/f; echo; getfacl -cE $tree/b/f | grep officer; done
tar -czf a.tgz a && tar -cJf a.txz a/b && zip -qr a.zip a/b a/full && unzip -q a.zip -d z && diff -r a/b z/a/b && gzip -k a/full && xz -k a/sparse && ls a z/a
mv a/full /tmp/moved-work && mv /tmp/moved-work back && cp --reflink=auto back /var/tmp/moved-work && rm /var/tmp/moved-work && dd if=back of=d bs=4k conv=fsync status=none && cmp back d
flock lock echo locked; find . -type f -newer a/b/f | wc -l; find . -delete; ls -A
