"""Export: a trained checkpoint → ONNX or TorchScript, compared with torch before it counts as done."""
