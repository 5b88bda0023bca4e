x <- read.csv('a.csv')
summary(glm(y ~ x, family = binomial))
