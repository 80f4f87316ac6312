nicest train --preset nicest --shift 0 --epochs 30 --precision bf16 --threads 1
