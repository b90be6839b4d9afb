"""A network as a torch module and as the files of LiteRT and ONNX."""
