nicest train --preset nicest --shift 0 --epochs 16 --precision bf16 --threads 1
