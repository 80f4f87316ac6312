nicest train /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz[0:50000] --valid /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz[50000:60000] --preset nicest --time 15m
