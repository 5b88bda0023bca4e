# R: a cluster of workers over sockets on loopback
Rscript --vanilla -e 'library(parallel); c <- makeCluster(1); print(unlist(parLapply(c, 1:4, function(i) i + 10))); stopCluster(c)'
