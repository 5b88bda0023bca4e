# tmux: a session in the background, attached to a terminal, detached, ended
export TERM=xterm
tmux new-session -d -s work 'echo inside > from-tmux; exec cat' || exit 1
tmux send-keys -t work hello Enter
until tmux capture-pane -p -t work | grep -q hello; do sleep 0.1; done
timeout 20 script -qec 'tmux attach -t work' /dev/null > screen < <(until tmux list-clients -t work 2> /dev/null | grep -q .; do sleep 0.1; done; tmux detach-client -s work)
echo "attached and detached: $?"; grep -c hello < <(tr -d '\r' < screen | grep -o hello | sort -u); cat from-tmux
tmux list-sessions -F '#{session_name}'; tmux kill-server
