# OpenMPI on one node: compiled with mpicc, two processes in a ring and a reduction
cat > ring.c <<'EOF'
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv) {
    int rank, size, token = 0, sum, big[20000] = {0};
    MPI_Init(&argc, &argv); MPI_Comm_rank(MPI_COMM_WORLD, &rank); MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == 0) { token = 41; big[19999] = 7; MPI_Send(&token, 1, MPI_INT, 1, 0, MPI_COMM_WORLD); MPI_Recv(&token, 1, MPI_INT, size - 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE); MPI_Send(big, 20000, MPI_INT, 1, 1, MPI_COMM_WORLD); }
    else { MPI_Recv(&token, 1, MPI_INT, rank - 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE); token++; MPI_Send(&token, 1, MPI_INT, (rank + 1) % size, 0, MPI_COMM_WORLD); MPI_Recv(big, 20000, MPI_INT, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE); }
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) printf("ring %d sum %d\n", token, sum); else fprintf(stderr, "big %d\n", big[19999]);
    MPI_Finalize(); return 0;
}
EOF
mpicc -O1 -o ring ring.c && mpirun -np 2 --oversubscribe ./ring
