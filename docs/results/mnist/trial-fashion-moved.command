nicest train --preset nicest --shift 1 --epochs 30 --precision bf16 --threads 1
