nicest train ../shared/data/mnist/train-images-idx3-ubyte.gz[0:50000] --valid ../shared/data/mnist/train-images-idx3-ubyte.gz[50000:60000] --preset nicest --time 15m
