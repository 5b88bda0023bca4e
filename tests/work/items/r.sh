# R: tables, a model, a saved object, a plot, forked workers, a shell
Rscript --vanilla - <<'EOF'
d <- data.frame(x = 1:50, y = 3 * (1:50) + c(-1, 1))
write.csv(d, "d.csv", row.names = FALSE)
m <- lm(y ~ x, read.csv("d.csv"))
saveRDS(m, "m.rds"); print(round(coef(readRDS("m.rds")), 3))
pdf("p.pdf"); plot(d); invisible(dev.off()); print(file.exists("p.pdf"))
library(parallel)
print(unlist(mclapply(1:4, function(i) i^2, mc.cores = 2)))
con <- gzfile("d.gz", "w"); writeLines("text", con); close(con); print(readLines("d.gz"))
print(system("echo from a shell", intern = TRUE))
EOF
