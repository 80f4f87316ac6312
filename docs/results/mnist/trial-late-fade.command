nicest train --preset nicest --shift 1 --epochs 80 --precision bf16 --threads 1
