nicest train --preset nicest --shift 1 --epochs 40 --couplings 8 --precision bf16 --threads 1
