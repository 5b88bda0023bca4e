# git in a workspace: init, commit, local clones both ways, worktree, rebase, gc, bundle
export GIT_AUTHOR_NAME=r GIT_AUTHOR_EMAIL=r@n GIT_COMMITTER_NAME=r GIT_COMMITTER_EMAIL=r@n GIT_AUTHOR_DATE="@1000000 +0000" GIT_COMMITTER_DATE="@1000000 +0000"
git init -q -b main a && cd a && echo one > f && git add f && git commit -qm one && echo two >> f && git commit -qam two || exit 1
git clone -q . ../hard && git clone -q --no-local . ../copied && git worktree add -q ../tree -b side || exit 1
(cd ../tree && echo three > g && git add g && git commit -qm three) && git rebase -q side && git gc -q --prune=now || exit 1
git -C ../copied pull -q --ff-only && git -C ../copied push -q origin HEAD:other && git bundle create -q ../all.bundle --all && git bundle verify -q ../all.bundle
git log --oneline | cat; git fsck; git -C ../hard log --oneline | wc -l; git branch -a | wc -l
