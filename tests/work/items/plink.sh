# plink 1.9 and plink 2: frequencies, an association, conversion
data=/srv/data/1000genomes-eur/EUR_subset
awk '{print $1, $2, 1 + NR % 2}' $data.fam > pheno
plink1.9 --silent --bfile $data --chr 22 --pheno pheno --allow-no-sex --freq --assoc --out one || exit 1
plink2 --silent --bfile $data --chr 22 --freq --make-pgen --out two || exit 1
plink2 --silent --pfile two --export vcf bgz --out three || exit 1
cksum one.frq one.assoc two.afreq two.pgen; zcat three.vcf.gz | grep -vc '^#'
