"""Environments as starters set them, shortened to what says where a process is and what might be taken for it."""

DEEPSPEED = {
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "CUDA_VISIBLE_DEVICES": "0,1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29612",
    "WORLD_SIZE": "2",
    "CROSS_RANK": "0",
    "CROSS_SIZE": "1",
    "LOCAL_SIZE": "2",
    "RANK": "1",
    "LOCAL_RANK": "1",
}
DEEPSPEED_SECOND_NODE = {  # of a hostfile with one slot a host, started with --no_ssh --node_rank 1
    "CUDA_VISIBLE_DEVICES": "0",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29613",
    "WORLD_SIZE": "2",
    "CROSS_RANK": "1",
    "CROSS_SIZE": "2",
    "LOCAL_SIZE": "1",
    "RANK": "1",
    "LOCAL_RANK": "0",
}
TORCHRUN = {
    "OMP_NUM_THREADS": "1",
    "RANK": "3",
    "GROUP_RANK": "1",
    "ROLE_RANK": "3",
    "ROLE_NAME": "default",
    "LOCAL_WORLD_SIZE": "2",
    "WORLD_SIZE": "4",
    "GROUP_WORLD_SIZE": "2",
    "ROLE_WORLD_SIZE": "4",
    "MASTER_ADDR": "node-0.example",
    "MASTER_PORT": "29611",
    "TORCHELASTIC_RESTART_COUNT": "0",
    "TORCHELASTIC_RUN_ID": "none",
    "LOCAL_RANK": "1",
}
SBATCH = {  # in the script itself: no task has been started, and yet there is a SLURM_PROCID
    "SLURM_JOB_ID": "200505",
    "SLURM_JOB_NODELIST": "gnode[10,20,25,37]",
    "SLURM_JOB_NUM_NODES": "4",
    "SLURM_NODELIST": "gnode[10,20,25,37]",
    "SLURM_NNODES": "4",
    "SLURM_NTASKS": "4",
    "SLURM_NPROCS": "4",
    "SLURM_TASKS_PER_NODE": "1(x4)",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_GTIDS": "0",
}
SRUN = SBATCH | {  # srun -N 3 -n 5 in that script, the last task of the second node
    "SLURM_NTASKS": "5",
    "SLURM_NPROCS": "5",
    "SLURM_NNODES": "3",
    "SLURM_NODELIST": "gnode[10,20,25]",
    "SLURM_TASKS_PER_NODE": "2(x2),1",
    "SLURM_STEP_ID": "3",
    "SLURM_STEPID": "3",
    "SLURM_STEP_NODELIST": "gnode[10,20,25]",
    "SLURM_STEP_NUM_NODES": "3",
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_GTIDS": "2,3",
    "SLURM_LAUNCH_NODE_IPADDR": "172.18.140.10",
    "SLURM_SRUN_COMM_HOST": "172.18.140.10",
}
SALLOC = {  # a shell that salloc has opened on a node with eight cores: a step of one task
    "SLURM_JOB_ID": "1720714",
    "SLURM_JOB_NODELIST": "GPU71E4",
    "SLURM_NNODES": "1",
    "SLURM_TASKS_PER_NODE": "8",
    "SLURM_STEP_ID": "4294967290",
    "SLURM_STEP_NODELIST": "GPU71E4",
    "SLURM_STEP_NUM_NODES": "1",
    "SLURM_STEP_NUM_TASKS": "1",
    "SLURM_STEP_TASKS_PER_NODE": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_PTY_PORT": "42169",
}
OPEN_MPI = {  # mpirun -n 2 of Open MPI 4.1 on one machine
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_NODE_RANK": "1",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_UNIVERSE_SIZE": "2",
    "OMPI_MCA_orte_hnp_uri": "2070151168.0;tcp://192.0.2.2:43055",
    "PMIX_NAMESPACE": "2070151169",
    "PMIX_RANK": "1",
    "PMIX_VERSION": "4.2.2rc2",
}
HYDRA = {"PMI_RANK": "3", "PMI_SIZE": "4", "PMI_FD": "9", "MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "1"}
ELASTIC = {  # as Kubeflow's Trainer sets it for torchrun
    "PET_NNODES": "2",
    "PET_NPROC_PER_NODE": "1",
    "PET_NODE_RANK": "1",
    "PET_MASTER_ADDR": "icd10-node-0-0.icd10",
    "PET_MASTER_PORT": "29400",
    "JOB_COMPLETION_INDEX": "1",
}
_POD = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "JOB_COMPLETION_INDEX": "2",
}
JOB = _POD | {
    "HOSTNAME": "icd10-2",
    "LMMTC_PODS": "4",
    "LMMTC_RANKS_PER_POD": "1",
    "LMMTC_JOB": "icd10",
    "LMMTC_SERVICE": "ranks",
}
JOB_SET = _POD | {
    "HOSTNAME": "icd10-trainer-0-2",
    "LMMTC_PODS": "4",
    "LMMTC_JOBSET": "icd10",
    "LMMTC_REPLICATED_JOB": "trainer",
}
