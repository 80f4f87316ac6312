nicest train ../shared/data/mnist/train-images-idx3-ubyte.gz[0:50000] --valid ../shared/data/mnist/train-images-idx3-ubyte.gz[50000:60000] --preset nicest --couplings 12 --precision bf16 --time 120m
