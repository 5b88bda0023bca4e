# bcftools and samtools: make, sort with temporary files, compress, index, query
{
    printf '##fileformat=VCFv4.2\n##contig=<ID=1>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    printf '#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n'
    for i in $(seq 200 -1 1); do printf '1\t%d\t.\tA\tC\t.\t.\t.\tGT\t0/1\t1/1\n' $((i * 10)); done
} > in.vcf
bcftools sort -m 1M -T ./tmp -Oz -o out.vcf.gz in.vcf 2> /dev/null && bcftools index out.vcf.gz || exit 1
bcftools query -r 1:100-150 -f '%POS [%GT ]\n' out.vcf.gz; bcftools view -H out.vcf.gz | cksum; tabix -l out.vcf.gz
{
    printf '@HD\tVN:1.6\n@SQ\tSN:1\tLN:10000\n'
    for i in $(seq 100 -1 1); do printf 'r%d\t0\t1\t%d\t60\t4M\t*\t0\t0\tACGT\tIIII\n' $i $((i * 20)); done
} > in.sam
samtools sort -@ 1 -m 1M -T ./s -o out.bam in.sam 2> /dev/null && samtools index out.bam && samtools view -c out.bam 1:100-200
samtools flagstat out.bam | head -1; rm -rf tmp; ls
