nicest train --preset nicest --shift 0 --epochs 80 --precision bf16 --threads 1
